"""The server: requests of many clients in the slots of one engine. `http` is HTTP; the rest is for any protocol."""
