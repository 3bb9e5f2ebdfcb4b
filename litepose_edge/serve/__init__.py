"""The live view and the small service: `litepose-edge serve` (extra `serve`)."""
