import type { KeptUpload, UploadShelf } from '../kept-uploads.ts';

const DATABASE = 'holdfast';
const STORE = 'uploads';

/** Keeps recordings in the browser's own database until the server has them. */
export function indexedDbShelf(factory: IDBFactory = indexedDB): UploadShelf {
  let opening: Promise<IDBDatabase> | null = null;
  const database = () => {
    opening ??= open(factory);
    opening.catch(() => {
      opening = null;
    });
    return opening;
  };
  const run = async <T>(
    mode: IDBTransactionMode,
    act: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> => {
    const transaction = (await database()).transaction(STORE, mode);
    const request = act(transaction.objectStore(STORE));
    return new Promise((resolve, reject) => {
      // Only a complete transaction is kept; a full disk aborts it after the request succeeded.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  };
  return {
    list: () => run<KeptUpload[]>('readonly', store => store.getAll()),
    put: async upload => void (await run('readwrite', store => store.put(upload))),
    remove: async id => void (await run('readwrite', store => store.delete(id))),
  };
}

function open(factory: IDBFactory): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
