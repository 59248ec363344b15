"""Is a derivative right? Tools that look at functions from outside; none of them knows a rule."""
