"""All that reads CPython's and NumPy's memory: a call's conditions and arrays, looked at by native code."""
