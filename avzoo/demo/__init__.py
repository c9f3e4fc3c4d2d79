"""The retrieval demo: search clips by example in the browser.

Imports nothing by itself; `app` needs the extra ``avzoo[demo]`` (Gradio).
"""
