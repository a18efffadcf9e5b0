/**
 * tracing: spans of the coordinator's work, through what Deno has of OpenTelemetry. Laws: 1) off (no OTEL_DENO=true) a span costs a call
 * that does nothing;  2) no name, address, pattern or file is in a span: counts and results are.  (I/O: Deno's exporter)
 */

/** Values that a span carries. */
export type SpanFields = Readonly<Record<string, string | number>>;

export interface Tracing {
  /** Begins a span; what it answers ends it. */
  begin(name: string, fields?: SpanFields): () => void;
  /** Tells of something that took so long and has just ended. */
  past(name: string, tookMs: number, fields: SpanFields): void;
}

/** What is used here of OpenTelemetry's interface, as Deno implements it. */
interface Tracer {
  startSpan(name: string, options: { readonly attributes: SpanFields; readonly startTime?: number }): {
    end(): void;
  };
}

const ended = () => {};
/** For where nobody listens. */
export const noTracing: Tracing = { begin: () => ended, past: ended };

/** The process's tracing: Deno's, where it is on. */
export function openTracing(): Tracing {
  const tracer = (Deno.telemetry.tracerProvider as { getTracer(name: string): Tracer }).getTracer("shoal");
  try {
    // Off is told by an error at the first span; this one is never ended, so nobody exports it.
    tracer.startSpan("off", { attributes: {} });
  } catch {
    return noTracing;
  }
  return {
    begin(name, fields = {}) {
      const span = tracer.startSpan(name, { attributes: fields });
      return () => span.end();
    },
    past(name, tookMs, fields) {
      tracer.startSpan(name, { attributes: fields, startTime: Date.now() - tookMs }).end();
    },
  };
}
