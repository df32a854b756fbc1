/** For tests: a server process whose only feature, besides the shared ones, is the toy kind. */
import { assemble } from '../../application.ts';
import { openPlatform } from '../../compose.ts';
import { loadConfig } from '../../config/index.ts';
import { openAuth } from '../../wiring/auth.ts';
import { openWork } from '../../wiring/work.ts';
import { openNotes } from './note.ts';

const config = loadConfig(process.env, {});
const platform = await openPlatform(config, process.env);
const identity = openAuth(config, platform);
const shared = openWork(config, platform, identity.auth);
const notes = openNotes(platform, { auth: identity.auth, work: shared.work });
const features = [identity, shared, notes];
const application = await assemble(config, platform, { auth: identity.auth, features });
process.on('SIGTERM', () => application.stop({ hurry: true }));
await application.start();
await platform.close(await application.stopped);
