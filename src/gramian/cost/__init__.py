"""Estimates of what a plan costs."""
