"""Sources and sinks: the only place that knows pixel formats, timestamps and containers."""
