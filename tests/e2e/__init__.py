"""Hold usagectl to what the real LocalStack client does on this machine."""
