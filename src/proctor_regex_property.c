/*
 * Unicode's general categories by their long names, which PCRE2 does not know;
 * a few binary properties under PCRE2's own names need no row.
 */

#include "proctor_regex.h"

#include <string.h>


typedef struct {
    const char *name;
    const char *property;
} proctor_regex_property_t;


static const proctor_regex_property_t proctor_regex_properties[] = {
    { "Letter", "L" },
    { "Cased_Letter", "L&" },
    { "LC", "L&" },
    { "Uppercase_Letter", "Lu" },
    { "Lowercase_Letter", "Ll" },
    { "Titlecase_Letter", "Lt" },
    { "Modifier_Letter", "Lm" },
    { "Other_Letter", "Lo" },
    { "Mark", "M" },
    { "Combining_Mark", "M" },
    { "Nonspacing_Mark", "Mn" },
    { "Spacing_Mark", "Mc" },
    { "Enclosing_Mark", "Me" },
    { "Number", "N" },
    { "Decimal_Number", "Nd" },
    { "digit", "Nd" },
    { "Letter_Number", "Nl" },
    { "Other_Number", "No" },
    { "Punctuation", "P" },
    { "punct", "P" },
    { "Connector_Punctuation", "Pc" },
    { "Dash_Punctuation", "Pd" },
    { "Open_Punctuation", "Ps" },
    { "Close_Punctuation", "Pe" },
    { "Initial_Punctuation", "Pi" },
    { "Final_Punctuation", "Pf" },
    { "Other_Punctuation", "Po" },
    { "Symbol", "S" },
    { "Math_Symbol", "Sm" },
    { "Currency_Symbol", "Sc" },
    { "Modifier_Symbol", "Sk" },
    { "Other_Symbol", "So" },
    { "Separator", "Z" },
    { "Space_Separator", "Zs" },
    { "Line_Separator", "Zl" },
    { "Paragraph_Separator", "Zp" },
    { "Other", "C" },
    { "Control", "Cc" },
    { "cntrl", "Cc" },
    { "Format", "Cf" },
    { "Surrogate", "Cs" },
    { "Private_Use", "Co" },
    { "Unassigned", "Cn" },
};


const char *
proctor_regex_property_name(const char *name, size_t len)
{
    size_t i;
    const proctor_regex_property_t *row;

    for (i = 0; i < sizeof(proctor_regex_properties)
                        / sizeof(proctor_regex_properties[0]);
         i++) {
        row = &proctor_regex_properties[i];

        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0) {
            return row->property;
        }
    }

    return NULL;
}
