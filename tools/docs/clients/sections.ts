import { listEvents, listFields, type Places } from '../client-events.ts';

/**
 * What stock clients can say and hear, by their own typings: the rows of the matrix. A new version
 * of a client brings new rows, and a row without a cell fails (`tools/docs/clients-page.ts`).
 */
const GA = 'openai/resources/realtime/realtime';
const BETA = 'openai/resources/beta/realtime/realtime';

export interface Section {
  readonly title: string;
  readonly rows: ReadonlyMap<string, Places>;
  /** Ways of connecting or asking, each a column. */
  readonly columns: readonly string[];
}

const events = (module: string, root: string) => listEvents(module, { roots: [root] });
const fields = (module: string, name: string) => listFields(`openai/resources/${module}`, name);

/** `POST` routes below `/v1/realtime`, and the typings of their bodies. */
const BODIES: Readonly<Record<string, readonly [string, string]>> = {
  client_secrets: ['realtime/client-secrets', 'ClientSecretCreateParams'],
  calls: ['realtime/calls', 'CallCreateParams'],
  'calls/{id}/accept': ['realtime/calls', 'CallAcceptParams'],
  'calls/{id}/reject': ['realtime/calls', 'CallRejectParams'],
  'calls/{id}/refer': ['realtime/calls', 'CallReferParams'],
  'translations/client_secrets': [
    'realtime/translations/client-secrets',
    'ClientSecretCreateParams',
  ],
  sessions: ['beta/realtime/sessions', 'SessionCreateParams'],
  transcription_sessions: [
    'beta/realtime/transcription-sessions',
    'TranscriptionSessionCreateParams',
  ],
};

export const SECTIONS = {
  says: {
    title: 'What a GA client says',
    rows: events(GA, 'RealtimeClientEvent'),
    columns: ['as it is', 'with locked instructions', 'in a locked transcription'],
  },
  hears: {
    title: 'What the model says, to a GA and to a beta client',
    rows: events(GA, 'RealtimeServerEvent'),
    columns: ['GA', 'beta'],
  },
  saysBeta: {
    title: 'What a beta client says',
    rows: events(BETA, 'RealtimeClientEvent'),
    columns: ['as it is'],
  },
  hearsBeta: {
    title: 'What a beta client waits for',
    rows: events(BETA, 'RealtimeServerEvent'),
    columns: ['beta'],
  },
  saysTranslation: {
    title: 'What a translation client says',
    rows: events(GA, 'RealtimeTranslationClientEvent'),
    columns: ['as it is', 'with everything locked'],
  },
  hearsTranslation: {
    title: 'What a translation client hears',
    rows: events(GA, 'RealtimeTranslationServerEvent'),
    columns: ['GA'],
  },
  requests: {
    title: 'What clients post below `/v1/realtime`',
    rows: new Map(
      Object.entries(BODIES).map(([path, [module, name]]) => [path, fields(module, name)]),
    ),
    columns: ['as it is'],
  },
} as const satisfies Record<string, Section>;
export type SectionName = keyof typeof SECTIONS;

/** The parameters of a row, the one without any first. Every event has the first two. */
export function parametersOf(section: SectionName, places: Places): string[] {
  const common = section === 'requests' ? [] : ['type', 'event_id'];
  return ['', ...[...places.keys()].filter(path => !common.includes(path))];
}
