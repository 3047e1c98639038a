"""What `gramian explain` shows: the plan of a script, in the terminal and as a page, with times if it was run."""
