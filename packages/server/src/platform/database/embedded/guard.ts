/**
 * The database's parent process, a shell that needs a megabyte. It exists so that the database ends
 * whatever is killed:
 *
 * - When no process serves any more, `holdfast.lock` is free, and the guard stops the database.
 * - When the process that waits for that lock is killed, the guard stops the database too: it is
 *   started again with a guard that is whole.
 * - When the guard itself is killed, the kernel sends the database SIGINT (`--pdeathsig`).
 * - When the database dies, its children notice by themselves, and the guard ends.
 * - SIGTERM to the guard is how the database is stopped in order.
 *
 * Stopping is SIGINT ("fast": sessions are ended, a checkpoint is written), after 15 seconds
 * SIGQUIT, after 5 more SIGKILL. A child of a shell starts with SIGINT ignored until PostgreSQL has
 * installed its own handling, so the signal is sent again and again.
 */
const GUARD = `
serving=$1
shift
database=
stopping=
stop() {
  stopping=yes
  [ -n "$database" ] || return
  trap '' TERM
  trap - CHLD
  tenths=0
  while kill -0 "$database" 2>/dev/null; do
    signal=INT
    [ "$tenths" -lt 150 ] || signal=QUIT
    [ "$tenths" -lt 200 ] || signal=KILL
    kill -s "$signal" "$database" 2>/dev/null
    sleep 0.1
    tenths=$((tenths + 1))
  done
}
trap stop TERM
"$@" &
database=$!
[ -z "$stopping" ] || stop
trap stop CHLD
setpriv --pdeathsig=KILL flock --shared "$serving" sh -c 'kill -TERM "$1"' sh $$ 3>&- &
waiting=$!
while kill -0 "$database" 2>/dev/null; do
  wait "$database"
done
kill -s KILL "$waiting" 2>/dev/null
wait "$waiting" 2>/dev/null
exit 0
`;

/** What stopping may take in all, by the guard's own clock and some more. */
export const STOP_TIMEOUT_MS = 30_000;

/** The guard's command line. It is to be started with the database's lock as descriptor 3. */
export function guarded(
  servingLock: string,
  prefix: readonly string[],
  command: readonly string[],
): [string, ...string[]] {
  const bound = [...prefix, '--pdeathsig=INT', ...command];
  return ['sh', '-c', GUARD, 'holdfast-database-guard', servingLock, ...bound];
}
