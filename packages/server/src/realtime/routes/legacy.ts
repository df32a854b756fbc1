import { legacySessionRequest } from '@holdfast/protocol';
import { z } from 'zod';
import { type App, callerOf } from '../../work/index.ts';
import type { Calls } from '../calls/service.ts';
import { SEED_DEFAULTS, withDefaults } from '../defaults.ts';
import { mintLegacySession, type SecretsDeps } from '../mint-secret.ts';
import { safetyIdentifierOf } from '../passed-on.ts';
import { addSdpParser, minterOf, offerOf, sdpAnswer } from './calls.ts';

/**
 * The seeds' REST routes, in the shapes their frontend knows: `POST /sessions` answers a flat
 * session with its client secret, `POST /realtime?model=` takes an offer with that secret as bearer
 * and answers the provider's SDP. An `api-key` header is ignored here: the server has
 * authenticated the caller before.
 */
const TAGS = ['legacy'];

export function addLegacyRoutes(app: App, calls: Calls, secrets: SecretsDeps): void {
  addSdpParser(app);
  for (const path of ['/sessions', '/sessions/']) {
    app.post(
      path,
      {
        config: { policy: 'realtime.mint' },
        schema: { tags: TAGS, summary: 'Mint a session', body: legacySessionRequest.nullish() },
      },
      async (request, reply) => {
        const minted = await mintLegacySession(secrets, minterOf(request), request.body ?? {});
        return reply.status(201).send(minted);
      },
    );
  }
  for (const path of ['/realtime', '/realtime/']) {
    app.post(
      path,
      {
        config: { policy: 'realtime.connect' },
        schema: {
          tags: TAGS,
          summary: 'Place a WebRTC call',
          consumes: ['application/sdp', 'text/plain'],
          querystring: z.looseObject({ model: z.string().max(200).optional() }),
        },
      },
      async (request, reply) => {
        const sdp = offerOf(request.body);
        const model = request.query.model ?? null;
        const fresh = request.principal.grant === undefined;
        const config = fresh ? withDefaults({}, secrets.defaults ?? SEED_DEFAULTS) : {};
        const safetyIdentifier = safetyIdentifierOf(request.principal, request.headers);
        const offer = { sdp, model, config, safetyIdentifier };
        const placed = await calls.create(callerOf(request), offer);
        sdpAnswer(reply, placed.sessionId);
        return reply.status(200).send(placed.sdp);
      },
    );
  }
}
