// Reads an ELF file with LIEF, all of it; what LIEF complains of is on stderr.
#include <LIEF/ELF.hpp>
#include <iostream>

int main(int, char **argv) {
  std::unique_ptr<LIEF::ELF::Binary> b = LIEF::ELF::Parser::parse(argv[1]);
  if (!b)
    return 1;
  size_t bytes = 0;
  for (const LIEF::ELF::Section &s : b->sections())
    bytes += s.size();
  for (const LIEF::ELF::Segment &s : b->segments())
    bytes += s.physical_size();
  for (const LIEF::ELF::Symbol &s : b->symbols())
    bytes += s.name().size();
  for (const LIEF::ELF::Relocation &r : b->relocations())
    bytes += r.address() != 0;
  return bytes == 0;
}
