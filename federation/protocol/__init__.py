"""What goes between the platform and the silos: sealed documents, digests, tensors on the wire."""

PROTOCOL_VERSION = "1.1"
"""What is written."""
SPOKEN_VERSIONS = (PROTOCOL_VERSION,)
"""All that is spoken, the oldest first: anyone who hears one of them can be talked with."""
INLINE_BYTES_MAX = 1 << 16
"""Artefacts up to this size travel inside the message that names them: small rounds are made of requests, not bytes."""
HELD_DOCUMENTS_MAX = 32
"""So many manifests and agreements a relay names, in a poll, as those that need not come again."""
