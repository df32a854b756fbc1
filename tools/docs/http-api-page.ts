import type { Policy } from '../../packages/server/src/auth/index.ts';
import type { ApiRoute, Content, Operation } from './api.ts';
import { code, heading, page, table } from './markdown.ts';
import { boundsText, propertyRows, typeText } from './schema-text.ts';

/** Every route: its policy, its request, its response. */
export function renderApi(routes: readonly ApiRoute[]): string {
  const described = routes.filter(route => route.operation !== undefined);
  const sockets = routes.filter(route => route.method === 'WS');
  const lines = [
    ...heading('HTTP API', 'the routes of `packages/server`'),
    'The machine-readable form is at `/openapi.json`. Who may call is said per route; roles nest',
    '(an Admin may do what a Developer may, a Developer what a Viewer may) and are per project.',
    'Errors: [errors](errors.md).',
    '',
    '## WebSockets',
    '',
    ...table(
      ['path', 'who', 'errors'],
      sockets.map(route => [code(route.path), whoText(route.policy), errorsText(route)]),
    ),
  ];
  for (const [tag, group] of Map.groupBy(described, tagOf)) {
    lines.push('', `## ${tag[0]!.toUpperCase()}${tag.slice(1)}`);
    for (const route of group) lines.push('', ...routeSection(route));
  }
  return page(lines);
}

function tagOf({ operation }: ApiRoute): string {
  return operation?.tags?.[0] ?? 'other';
}

function routeSection(route: ApiRoute): string[] {
  const operation = route.operation!;
  const facts = [operation.summary, operation.description].filter(Boolean).map(sentence);
  return [
    `### ${code(`${route.method} ${route.path.replace(/:(\w+)/g, '{$1}')}`)}`,
    '',
    ...(facts.length > 0 ? [facts.join(' '), ''] : []),
    `Who: ${whoText(route.policy)}. Errors: ${errorsText(route)}.`,
    ...parameterTable(operation),
    ...bodyTable('Body', operation.requestBody?.content),
    ...answers(operation),
  ];
}

function parameterTable({ parameters = [] }: Operation): string[] {
  if (parameters.length === 0) return [];
  const rows = parameters.map(({ name, in: place, required, description, schema }) => [
    code(required ? name : `${name}?`),
    place,
    code(typeText(schema)),
    [description, boundsText(schema)].filter(Boolean).join(' '),
  ]);
  return ['', ...table(['parameter', 'in', 'type', 'meaning'], rows)];
}

function bodyTable(title: string, content: Content | undefined): string[] {
  const [type, entry] = Object.entries(content ?? {})[0] ?? [];
  const rows = propertyRows(entry?.schema ?? {});
  if (type === undefined) return [];
  if (rows.length === 0) return ['', `${title}: ${code(type)}.`];
  return ['', `${title} (${code(type)}):`, '', ...table(['field', 'type', 'meaning'], rows)];
}

function answers({ responses = {} }: Operation): string[] {
  return Object.entries(responses)
    .filter(([status]) => /^[23]/.test(status))
    .flatMap(([status, { content }]) => bodyTable(`Answer ${status}`, content));
}

function whoText(policy: Policy): string {
  if (policy.public) return 'anyone';
  const others = {
    ', or a client secret': policy.clientSecret,
    ', or a stream ticket': policy.ticket,
    ', or a run by its token': policy.runToken,
  };
  const secret = Object.entries(others)
    .filter(([, open]) => open)
    .map(([text]) => text)
    .join('');
  return policy.owner
    ? `the creator (${policy.role}${secret}) and Admins`
    : `${policy.role}${secret}`;
}

function errorsText({ errors }: ApiRoute): string {
  const names = { problem: 'problem', openai: 'OpenAI', anthropic: 'Anthropic', google: 'Google' };
  return errors === 'problem' ? errors : `${names[errors]}'s object`;
}

function sentence(text: unknown): string {
  return `${String(text).replace(/\.$/, '')}.`;
}
