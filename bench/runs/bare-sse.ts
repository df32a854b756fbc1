/**
 * A bare `node:http` server of event streams, without any log: a POST to `/` goes to all
 * readers of `/`, each event by itself or, with an argument, once in so many milliseconds.
 */
import { createServer, type ServerResponse } from 'node:http';

const gatherMs = Number(process.argv[2] ?? 0);
const readers = new Set<ServerResponse>();
let waiting = '';
let number = 0;

function send(): void {
  const text = Buffer.from(waiting);
  waiting = '';
  for (const reader of readers) reader.write(text);
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.write('retry: 2000\n\n');
    readers.add(response);
    response.once('close', () => readers.delete(response));
    return;
  }
  let body = '';
  request.setEncoding('utf8').on('data', chunk => {
    body += chunk;
  });
  request.on('end', () => {
    number += 1;
    const idle = waiting === '';
    waiting += `event: agent.output\nid: ${number}\ndata: ${body}\n\n`;
    if (gatherMs === 0) send();
    else if (idle) setTimeout(send, gatherMs);
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(address?.port);
});
