import { flag, httpUrl, integer, key256, port, postgresUrl, secret, text } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

/** Database, Redis, blobs, secrets. Everything unset: embedded, below HOLDFAST_DATA_DIR. */
export const storageSettings = {
  DATABASE_URL: optional(postgresUrl, {
    description: 'PostgreSQL 15 or later. Unset: the embedded database in HOLDFAST_DATA_DIR.',
    example: 'postgresql://user:password@localhost:5432/holdfast',
  }),
  DATABASE_POOL_SIZE: setting(integer(1, 1000), '10', {
    description: 'Connections kept to PostgreSQL.',
  }),
  DATABASE_MAX_OVERFLOW: setting(integer(0, 1000), '20', {
    description: 'Connections opened beyond the pool size when all are busy.',
  }),
  DATABASE_ECHO: setting(flag, 'false', {
    description: 'Log every SQL statement, without its parameters, at level debug.',
  }),
  REDIS_HOST: optional(text, {
    description: 'Redis 7 for doorbells and shared rate limits. Unset: without Redis.',
    example: '<name>.redis.azure.net',
  }),
  REDIS_PORT: setting(port, '6379', { description: 'Azure Managed Redis listens on 10000.' }),
  REDIS_SSL: setting(flag, 'true', { description: 'TLS to Redis.' }),
  REDIS_USERNAME: optional(text, { description: 'User of Redis; not needed with Entra ID.' }),
  REDIS_PASSWORD: optional(secret(), { description: 'Password of Redis.' }),
  HOLDFAST_REDIS_ENTRA: setting(flag, 'false', {
    description: 'Sign in to Redis with Entra ID (managed identity) instead of a password.',
  }),
  AZURE_STORAGE_CONNECTION_STRING: optional(secret(), {
    description: 'Azure Blob Storage with an account key. Unset: files in HOLDFAST_DATA_DIR.',
  }),
  HOLDFAST_AZURE_STORAGE_URL: optional(httpUrl, {
    description: 'Azure Blob Storage with Entra ID: the blob endpoint of the account.',
    example: 'https://<account>.blob.core.windows.net',
  }),
  AZURE_STORAGE_CONTAINER_NAME: setting(text, 'audio-records', {
    description: 'Container of the recordings.',
  }),
  HOLDFAST_KEY_VAULT_URL: optional(httpUrl, {
    description: 'Azure Key Vault that holds the secrets. Unset: the environment.',
    example: 'https://<vault>.vault.azure.net',
  }),
  HOLDFAST_MASTER_KEY: optional(key256, {
    description:
      'Key that wraps the keys of private data. Unset: generated in HOLDFAST_DATA_DIR, beside ' +
      'the data.',
  }),
};
