"""Catalogues of millions: the detector over folders, tables, tars and buckets, on one machine or many."""
