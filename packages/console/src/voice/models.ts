import type { Model } from '@holdfast/client';

/** The models one can talk with. */
export function voiceModels(models: readonly Model[]): Model[] {
  return models.filter(model => model.holdfast?.protocols.includes('realtime') ?? true);
}

/** The one that was chosen, if it still exists; else the server's default. */
export function defaultModel(models: readonly Model[], chosen: string | null): string | undefined {
  const usable = voiceModels(models);
  const found =
    usable.find(model => model.id === chosen) ??
    usable.find(model => model.holdfast?.default) ??
    usable[0];
  return found?.id;
}
