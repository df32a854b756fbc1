import { ApiError, createClient, memoryShelf, Uploads } from '@holdfast/client';
import { indexedDbShelf, xhrSender } from '@holdfast/client/browser';
import { QueryClient } from '@tanstack/react-query';

/** What lives as long as the page does, made once. */
export const client = createClient({ sendUpload: xhrSender });

export const uploads = new Uploads(
  client,
  typeof indexedDB === 'undefined' ? memoryShelf() : indexedDbShelf(),
);

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // The client itself retries what may succeed; asking again on top would multiply that.
      retry: false,
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});

export function isApiError(error: unknown): error is ApiError {
  return error instanceof ApiError;
}
