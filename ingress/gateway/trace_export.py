"""Traces of calls to an OpenTelemetry collector, by OTLP over HTTP (extra `traces`).

Spans wait in a bounded queue for a thread of the SDK, which sends them in batches. While the collector is
away they are lost. No call waits for it. Imported only if a collector is set.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from urllib.parse import urljoin, urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from actors.liveness.threads import in_thread
from ingress.configuration.settings import TracesSettings
from ingress.gateway.trace_spans import Span, call_spans, turn_spans
from ingress.link.messages import CallStarted
from ingress.link.records import CallRecord, TurnRecord

QUEUED_SPANS = 8_192
"""About 10 s of 400 talking callers."""
BATCH_SPANS = 512
SEND_EVERY_S = 1.0
EXPORT_DEADLINE_S = 5.0
CLOSE_DEADLINE_S = 2.0
"""For the spans that are still queued."""
SCOPE = InstrumentationScope("raymal")

log = logging.getLogger(__name__)


class TraceExport:
    """Sends the spans of one gateway's calls."""

    def __init__(self, settings: TracesSettings, gateway: str) -> None:
        assert settings.endpoint is not None
        # The environment may set others, and another name (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME).
        own = Resource({"service.name": "raymal", "service.instance.id": gateway})
        self._resource = own.merge(OTELResourceDetector().detect())
        self._processor = BatchSpanProcessor(
            _Exporter(_traces_url(settings.endpoint)),
            max_queue_size=QUEUED_SPANS,
            schedule_delay_millis=SEND_EVERY_S * 1000.0,
            max_export_batch_size=BATCH_SPANS,
        )

    def take_turn(self, call_id: str, started: CallStarted | None, record: TurnRecord) -> None:
        """Send the spans of a turn that has just finished; never waits."""
        self._send(turn_spans(call_id, _started_at_s(started), record, time.time_ns()))

    def take_call(self, started: CallStarted | None, record: CallRecord) -> None:
        """Send the span of a call that is over; never waits."""
        self._send(call_spans(record, _started_at_s(started), time.time_ns()))

    async def close(self) -> None:
        """Send what is queued, within a deadline."""
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await in_thread(self._processor.shutdown)
        except TimeoutError:
            log.debug("the last spans were not sent in time")

    def _send(self, spans: Iterable[Span]) -> None:
        for span in spans:
            self._processor.on_end(
                ReadableSpan(
                    span.name,
                    _context(span.trace_id, span.span_id),
                    None if span.parent_id is None else _context(span.trace_id, span.parent_id),
                    self._resource,
                    span.attributes,
                    kind=SpanKind.SERVER if span.parent_id is None else SpanKind.INTERNAL,
                    status=Status() if span.problem is None else Status(StatusCode.ERROR, span.problem),
                    start_time=span.start_ns,
                    end_time=span.end_ns,
                    instrumentation_scope=SCOPE,
                )
            )


class _Exporter(SpanExporter):
    """The SDK's exporter, which says once when the collector takes no spans, and once when it does again."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._exporter = OTLPSpanExporter(endpoint, timeout=EXPORT_DEADLINE_S)
        self._reasons = _Reasons()
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what is not taken is lost."""
        self._reasons.first = None
        result = self._exporter.export(spans)
        is_failing = result is not SpanExportResult.SUCCESS
        if is_failing and not self._is_failing:
            log.warning("traces are lost: %s takes none: %s", self._endpoint, self._reasons.first)
        elif self._is_failing and not is_failing:
            log.info("traces are taken again by %s", self._endpoint)
        self._is_failing = is_failing
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Reasons(logging.Handler):
    """What the SDK would say at every batch."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: str | None = None
        logger = logging.getLogger("opentelemetry")
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first reason of a batch; the next ones are about trying again."""
        self.first = self.first or record.getMessage()


def _traces_url(endpoint: str) -> str:
    """Return the address for traces of a collector, which OTLP names when only the collector is named."""
    return endpoint if urlsplit(endpoint).path.strip("/") else urljoin(endpoint, "/v1/traces")


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _started_at_s(started: CallStarted | None) -> float | None:
    return started.started_at_s or None if started is not None else None
