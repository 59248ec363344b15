"""The handbook as a site: pages in two languages from the rules, their derivations, and prose."""
