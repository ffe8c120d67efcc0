// The errors of lab 10, and where the handout teaches each of them.
#ifndef TESTS_10_ERRORS_CATALOGUE_H_
#define TESTS_10_ERRORS_CATALOGUE_H_

#include <map>
#include <string>

struct CatalogueEntry {
  int error;
  int step;  // Of the handout.
  // How to provoke it, for a program that does not.
  const char* why;
  const char* manual;
};

const std::map<std::string, CatalogueEntry>& Catalogue();

#endif  // TESTS_10_ERRORS_CATALOGUE_H_
