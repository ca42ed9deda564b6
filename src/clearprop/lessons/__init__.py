"""A course on backpropagation: pages with live graphs, quizzes and exercises; made by what they teach."""

from clearprop.lessons.course import course, notebook

__all__ = ["course", "notebook"]
