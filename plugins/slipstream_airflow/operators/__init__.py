"""One operator a step of a stage; each calls one function of the library."""
