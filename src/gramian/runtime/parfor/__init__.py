"""parfor: its iterations one after the other, by threads, by processes or on a cluster, whichever the cost says.

    loops      the call in generated code: which way, and going over from one way to another
    cost       what the ways take, from what a loop looks like and from what its runs have shown
    body       the body as one worker runs it: variables, chunks of iterations, and what comes out of a chunk
    changes    what a chunk changed in lists, frames and matrices that workers cannot share
    schedule   giving chunks to workers, and merging what comes back in the order of the iterations
    threads    workers that share the memory
    processes  workers made by fork, which share the matrices that they write
    cluster    workers on other machines, to which the body and what it reads are brought
    files      which loops have to run where the files of the script are
    reports    errors on their way from other processes

Iterations come in chunks whose limits depend on nothing but their number. What iterations add up is added up within
each chunk, starting at zero, and then chunk by chunk, whichever way the loop runs; what they draw without a seed and
what they print belongs to the iteration. So neither the number of workers nor their timing shows in the results.
"""
