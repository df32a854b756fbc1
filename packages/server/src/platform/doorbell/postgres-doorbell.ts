import type { Database } from '../database/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import type { Doorbell } from './doorbell.ts';
import { createNetworkDoorbell } from './network-doorbell.ts';

export interface PostgresDoorbellOptions {
  readonly database: Database;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

const CHANNEL = 'holdfast_doorbell';

/**
 * Rings over NOTIFY, received on the database's own listening connection. Rejects when listening
 * cannot begin; later losses of that connection are repaired by the database. Closing does not
 * close the database.
 */
export async function createPostgresDoorbell(options: PostgresDoorbellOptions): Promise<Doorbell> {
  const { database, telemetry } = options;
  const doorbell = createNetworkDoorbell(
    {
      adapter: 'postgres',
      send: message => database.notify(CHANNEL, message),
      ping: timeoutMs => database.ping(timeoutMs),
      close: () => subscription.close(),
    },
    telemetry,
  );
  const subscription = await database.listen(CHANNEL, message => doorbell.receive(message));
  return doorbell;
}
