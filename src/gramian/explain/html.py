def page(explanation): return ""
