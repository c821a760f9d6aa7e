"""Coincall: wire shapes, error codes, rate limits, HTTP transport, client, and the gateways behind the ports."""
