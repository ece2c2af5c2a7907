"""What goes between the platform and the silos: sealed documents, digests, tensors on the wire."""

PROTOCOL_VERSION = "1.0"
