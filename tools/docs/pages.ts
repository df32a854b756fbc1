import { renderEnvExample, renderReference } from '../../packages/server/src/config/index.ts';
import { METRICS } from '../../packages/server/src/platform/telemetry/index.ts';
import { describeApi } from './api.ts';
import { LISTINGS, renderClientEvents } from './client-events.ts';
import { renderClients } from './clients/page.ts';
import { renderErrors } from './errors-page.ts';
import { renderEvents } from './events-page.ts';
import { renderApi } from './http-api-page.ts';
import { renderMetrics } from './metrics-page.ts';
import { renderOperatorSchemas } from './operator-schemas.ts';
import { renderPrices } from './prices-page.ts';

/** Every generated file: its path in the repository and its text. */
export async function generatePages(): Promise<Map<string, string>> {
  return new Map([
    ['.env.example', renderEnvExample()],
    ['docs/reference/clients.md', renderClients()],
    ['docs/reference/config.md', renderReference()],
    ['docs/reference/errors.md', renderErrors()],
    ['docs/reference/events.md', renderEvents()],
    ['docs/reference/http-api.md', renderApi(await describeApi())],
    ['docs/reference/metrics.md', renderMetrics(METRICS)],
    ['docs/reference/prices.md', renderPrices()],
    ...Object.entries(LISTINGS).map(([name, listing]): [string, string] => [
      `packages/server/src/realtime/${name}`,
      renderClientEvents(listing),
    ]),
    ...renderOperatorSchemas().map(([name, text]): [string, string] => [
      `docs/reference/schemas/${name}`,
      text,
    ]),
  ]);
}
