"""Machines that make up requests and histories of their own, and models that judge what comes."""
