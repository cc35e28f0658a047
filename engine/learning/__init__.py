"""Networks that learn: pictures in folders of classes go in, a trained classifier in a folder comes out."""
