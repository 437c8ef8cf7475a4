"""Tests of the client, most of them against a small service of their own on real sockets."""
