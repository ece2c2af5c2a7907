"""Parts of other people, as they would write them: one file each, put on the path of the package that finds them."""
