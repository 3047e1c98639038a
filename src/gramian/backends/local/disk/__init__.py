"""Operators on matrices on disk, and results that memory has no room for.

    home       where values live: in memory as long as there is room, else on disk
    guard      the question before a kernel runs: is there room, and if not, what else can be done
    ways       what else can be done, operator by operator
    aggregates, index, make, products, rows   the ways by family

Most operators run as a row-panel pipeline of a single node, by the same machinery that runs fused pipelines; its panels
come from disk, and go there. What has no way of its own gets its operands loaded, if they fit.
"""
