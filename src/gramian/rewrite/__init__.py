"""Rewrite rules, written in DML: reading them, matching them, applying them until none fits."""
