import {
  BlobSASPermissions,
  type BlobServiceClient,
  type BlockBlobClient,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob';

/** An address with a SAS that allows reading that one blob for `expiresInS`. */
export type LinkSigner = (blob: BlockBlobClient, expiresInS: number) => Promise<string>;

const KEY_LIFE_MS = 24 * 3600 * 1000;
/** Clocks of the service and ours may differ; a key or SAS must not start in the future. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;

/** With an account key links are signed here; with Entra ID by a delegation key fetched daily. */
export function createLinkSigner(service: BlobServiceClient): LinkSigner {
  if (service.credential instanceof StorageSharedKeyCredential) {
    return (blob, expiresInS) => blob.generateSasUrl(sasOptions(blob.url, expiresInS));
  }
  let cached: { key: Promise<UserDelegationKey>; endsMs: number } | undefined;
  return async (blob, expiresInS) => {
    const neededMs = Date.now() + expiresInS * 1000;
    if (!cached || cached.endsMs < neededMs) {
      const endsMs = Math.max(Date.now() + KEY_LIFE_MS, neededMs + CLOCK_SKEW_MS);
      const startsOn = new Date(Date.now() - CLOCK_SKEW_MS);
      cached = { key: service.getUserDelegationKey(startsOn, new Date(endsMs)), endsMs };
      cached.key.catch(() => {
        cached = undefined;
      });
    }
    const names = { containerName: blob.containerName, blobName: blob.name };
    const options = { ...names, ...sasOptions(blob.url, expiresInS) };
    const sas = generateBlobSASQueryParameters(options, await cached.key, service.accountName);
    return `${blob.url}?${sas}`;
  };
}

function sasOptions(url: string, expiresInS: number) {
  return {
    permissions: BlobSASPermissions.parse('r'),
    expiresOn: new Date(Date.now() + expiresInS * 1000),
    // Plain http exists only with emulators on this machine.
    protocol: url.startsWith('https:') ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
  };
}
