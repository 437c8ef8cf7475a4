"""Tests of the client, most of them with a small service on real sockets."""
