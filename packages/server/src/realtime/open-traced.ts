import type { Context } from '@opentelemetry/api';
import { type Logger, startTrace, type Trace, traceLog } from '../platform/telemetry/index.ts';
import { type AdmissionDeps, type Opened, type OpenRequest, openSession } from './open-session.ts';

/** A session with its span, whose events the lines of `log` are; whoever holds it ends the span. */
export interface TracedSession extends Opened {
  readonly trace: Trace;
  readonly log: Logger;
}

/** Opens a session; where that fails, the span has ended with the error. */
export async function openTraced(
  deps: AdmissionDeps,
  request: Omit<OpenRequest, 'traceId'>,
  span: { readonly requestId: string; readonly parent: Context | undefined },
): Promise<TracedSession> {
  const { telemetry } = deps;
  const { transport, model, protocol } = request;
  const name = transport === 'websocket' ? 'realtime.session' : 'realtime.call';
  const attributes = {
    'gen_ai.request.model': model,
    'holdfast.transport': transport,
    'holdfast.protocol': protocol,
  };
  const trace = startTrace(telemetry.tracer, name, { parent: span.parent, attributes });
  const { traceId } = trace;
  try {
    const opened = await openSession(deps, { ...request, traceId });
    trace.set({ 'session.id': opened.row.id });
    const facts = { session_id: opened.row.id, request_id: span.requestId, trace_id: traceId };
    return { ...opened, trace, log: traceLog(telemetry.log.child(facts), trace) };
  } catch (error) {
    trace.fail(error);
    trace.end();
    throw error;
  }
}
