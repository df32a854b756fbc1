import type { UploadSender } from '../upload.ts';

/** Uploads with XMLHttpRequest, the only browser API that reports how much has been sent. */
export const xhrSender: UploadSender = post =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('POST', post.url);
    xhr.withCredentials = post.withCookies;
    for (const [name, value] of Object.entries(post.headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = event => post.onSent(event.loaded, event.total);
    const { signal } = post;
    const onAbort = () => xhr.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    xhr.onloadend = () => signal?.removeEventListener('abort', onAbort);
    xhr.onload = () =>
      resolve({
        status: xhr.status,
        body: xhr.responseText,
        header: name => xhr.getResponseHeader(name),
      });
    xhr.onerror = () => reject(new TypeError('The upload could not be sent.'));
    xhr.onabort = () => reject(signal?.reason ?? new DOMException('', 'AbortError'));
    xhr.send(post.body);
  });
