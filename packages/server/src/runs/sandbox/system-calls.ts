/**
 * Numbers of system calls by architecture, as Node calls it: x64, arm64. Null: there is no such
 * call. The kernel never gives a number to another call.
 */
type Numbers = readonly [x64: number, arm64: number | null];

/** The newest call that is allowed at all: `mseal`, Linux 6.10. Numbers from 424 on are common. */
export const NEWEST = 462;

/** Calls that no agent, compiler or test needs, each a way to the kernel or out of a namespace. */
export const DENIED: Readonly<Record<string, Numbers>> = {
  // Keys are the user's, not the namespace's.
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // What is asked for in a ring passes by every filter of system calls.
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  // Mounts.
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  statmount: [457, 457],
  listmount: [458, 458],
  open_by_handle_at: [304, 265],
  swapon: [167, 224],
  swapoff: [168, 225],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  sysfs: [139, null],
  ustat: [136, null],
  fanotify_init: [300, 262],
  // Namespaces; `clone` and `unshare` depend on what they are asked for.
  setns: [308, 268],
  // Programs, modules and other kernels in the kernel.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  create_module: [174, null],
  init_module: [175, 105],
  delete_module: [176, 106],
  get_kernel_syms: [177, null],
  query_module: [178, null],
  finit_module: [313, 273],
  uselib: [134, null],
  _sysctl: [156, null],
  nfsservctl: [180, 42],
  lookup_dcookie: [212, 18],
  // The machine.
  reboot: [169, 142],
  syslog: [103, 116],
  acct: [163, 89],
  vhangup: [153, 58],
  iopl: [172, null],
  ioperm: [173, null],
  settimeofday: [164, 170],
  adjtimex: [159, 171],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  // Other processes' memory and descriptors. Debuggers go by `ptrace`.
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
};

/** Calls whose arguments decide. */
export const DECIDED = {
  clone: [56, 220],
  clone3: [435, 435],
  unshare: [272, 97],
  personality: [135, 92],
  ioctl: [16, 29],
  socket: [41, 198],
  socketpair: [53, 199],
} as const satisfies Readonly<Record<string, Numbers>>;
