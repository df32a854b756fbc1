import type { resources } from './resources-en.ts';

/** Makes a text that does not exist a type error. */
declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'ui';
    resources: typeof resources;
  }
}
