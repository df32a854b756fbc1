export { type ReadRequest, readRequest } from './read-request.ts';
