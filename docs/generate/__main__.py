"""Write what the code decides into docs/: `make docs`."""

from docs.generate.pages import all_pages

for path, text in all_pages().items():
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
