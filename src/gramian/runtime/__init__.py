"""Running programs: compiled control flow, function calls by name, errors with places, statistics, progress."""
