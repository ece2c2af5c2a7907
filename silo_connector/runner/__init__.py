"""The third process, where custom code is allowed: it computes what approved training plans say, and has nothing else.

No network, no keys, no ledger, no data file: parameters and one batch at a time, over a Unix socket.
"""
