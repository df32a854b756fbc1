/**
 * How what we do not trust is kept apart from the server and the host: parts of bubblewrap command
 * lines, and programs of ours that parse hostile input in a process of their own.
 */
export {
  ancestors,
  dropUser,
  findOnPath,
  folder,
  NODE_INSIDE,
  namespaces,
  programMounts,
  programs,
} from './bubblewrap.ts';
export {
  type ConfinedLimits,
  createConfined,
} from './confined-program.ts';
export { type ControlGroup, ControlGroups, confine, ownControlGroups } from './control-groups.ts';
