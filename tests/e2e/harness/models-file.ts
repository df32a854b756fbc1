import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ModelsFile {
  /** What `HOLDFAST_MODELS_FILE` takes. */
  readonly path: string;
  remove(): Promise<void>;
}

/** An operator's file with one model for each upstream (`…/v1`); the first is the default. */
export async function writeModelsFile(
  upstreams: Readonly<Record<string, string>>,
): Promise<ModelsFile> {
  const endpoint = (url: string) => ({
    provider: 'compatible',
    url,
    auth: 'api_key',
    api_key_secret: 'OPENAI_API_KEY',
  });
  const names = Object.keys(upstreams);
  const path = join(tmpdir(), `holdfast-models-${process.pid}-${performance.now()}.json`);
  const file = {
    default: names[0],
    endpoints: Object.fromEntries(names.map(name => [name, endpoint(upstreams[name]!)])),
    models: names.map(name => ({ id: name, endpoint: name })),
  };
  await writeFile(path, JSON.stringify(file));
  return { path, remove: () => rm(path, { force: true }) };
}
