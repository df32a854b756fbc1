import { ApiError, createClient, memoryShelf, Uploads } from '@holdfast/client';
import { indexedDbShelf, xhrSender } from '@holdfast/client/browser';
import { QueryClient } from '@tanstack/react-query';
import { pageSecret } from './page-secret.ts';

/** Objects that live as long as the page, made once. */
export const client = createClient({
  sendUpload: xhrSender,
  credentials: { kind: 'cookie', pageSecret },
});

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
