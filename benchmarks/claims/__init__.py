"""Do the papers' claims hold on generated clips, at equal terms? ``python -m benchmarks.claims``; see README.md."""
