# filled by its folder's files
